"""The report: results, statistics, verdicts and the page that shows them. Pure."""

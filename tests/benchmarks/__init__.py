"""Tests of the bench: what it reads, computes and writes; its processes; one short real run."""

"""HTTP/1 towards the client: requests in, responses out.

bytes ─► reader ─┬─ head      request line, limits, where the head ends
                 ├─ engine    header lines, by httptools or h11
                 ├─ lines     header lines again, when the engine refuses: nginx's grammar
                 └─ chunks    the framing of a chunked body
bytes ◄─ writer              response heads, chunks, the pages of our own answers
"""

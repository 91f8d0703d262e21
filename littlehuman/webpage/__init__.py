"""The page of a study: its answers as JSON, the local server that shows them live, and the page as one file.

Like `reporting` it reads run folders; it computes no cell and asks no model. The browser draws what it is sent: all
aggregates come from `reporting`, `study` and `economics`.
"""

SCHEMA = 1  # of the document; rises when a key changes its meaning

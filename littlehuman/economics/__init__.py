"""What human and synthetic training points are worth, and which of them to buy.

`response_shapes`, `response_design` and `response` fit one response model, from which `human_worth`, `price_verdict` and
`allocation` answer; `identification` says why a layout cannot answer and which two cells mend it; `stopping` decides when a
study needs no more seeds.
"""

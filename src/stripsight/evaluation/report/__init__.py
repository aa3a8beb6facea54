"""`report.html` and `MODEL_CARD.md` of a judged run, from one and the same source."""

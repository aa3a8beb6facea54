"""From images to verdicts with a bundle: on one core, on many, on many machines. No torch here."""

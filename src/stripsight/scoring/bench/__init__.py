"""How fast a bundle scores here, beside what else could run it, and whether to believe that."""

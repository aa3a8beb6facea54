"""How far a figure may be trusted: intervals over groups of look-alikes."""

"""From annotation files of every form to tensors."""

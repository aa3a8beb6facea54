"""The folds of a cross-validation judged together, so that every image is judged once."""

"""What is measured of every image, in one pass over the files."""

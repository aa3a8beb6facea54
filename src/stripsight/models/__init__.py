"""The network and what teaches it: backbone, head, losses, optimisers."""

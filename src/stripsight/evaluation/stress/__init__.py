"""What a run bears of what a camera may do."""

"""What an examination says: findings in words, as JSON and as a page."""

"""The page template and its style sheet, as package data."""

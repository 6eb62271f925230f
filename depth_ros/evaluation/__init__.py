"""Numbers for depth, and the page that shows them."""

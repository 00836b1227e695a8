"""The pages: rendered on the server, readable without JavaScript, nothing fetched from elsewhere."""

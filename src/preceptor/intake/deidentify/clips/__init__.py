"""Video without what its container says: streams are copied into a new one, and the frames compared."""

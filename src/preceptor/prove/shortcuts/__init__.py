"""The shortcut audit: does the model look at what a clinician would, or at what happens to go with it here?"""

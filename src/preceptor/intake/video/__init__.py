"""Clips: video files, folders of frames and films inside DICOM, with the time of each frame."""

"""DICOM: files found and grouped, headers read, planes made volumes, and what is refused."""

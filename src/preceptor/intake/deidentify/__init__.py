"""Taking patients out of files: the standard's table as data, keyed pseudonyms, and a search for what was left.

``table`` holds the standard, ``profile`` turns it into one rule a tag, ``elements`` reads a data set without interpreting a
value, ``rewriting`` applies the rules, ``dicom``, ``nifti`` and ``sidecar`` do a file, ``folder`` a folder, and ``leaks``
searches any bytes for values that are known.
"""

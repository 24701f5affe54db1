"""``python -m preceptor``: the same as the command ``preceptor``."""

import sys

from preceptor.cli import main

sys.exit(main())

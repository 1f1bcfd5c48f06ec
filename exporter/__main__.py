"""`python -m exporter` is `zexport`."""

import sys

from exporter.cli import main

sys.exit(main())

"""`python -m zmr` is `zmr`."""

import sys

from zmr.cli import main

sys.exit(main())

"""shark: where did this file come from?"""

__version__ = "0.1.0"

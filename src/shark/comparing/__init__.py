"""Two runs or two files side by side: what `shark diff` answers with. What is compared how is `model/comparison.py`."""

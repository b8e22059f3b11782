"""Lineage and impact: the graph of files and runs across runs, of what the store and the files themselves know.

`lineage` goes upstream, `impact` downstream; both give documents (`shark.view.documents`). `Known` answers the single
questions: which runs made a content, from what they made it, what was made from it.
"""

from shark.ancestry.known import Known
from shark.ancestry.roots import Root, roots
from shark.ancestry.values import Content, Maker, Making, Source, Unknown
from shark.ancestry.walk import impact, lineage

__all__ = ["Content", "Known", "Maker", "Making", "Root", "Source", "Unknown", "impact", "lineage", "roots"]

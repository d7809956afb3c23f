"""NLTK's word tokenizer without the rest of NLTK, whose import loads scipy.stats and, where they are there, scikit-learn and pandas."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from typing import Any

PACKAGES = ("nltk", "nltk.tokenize")
MODULE = "nltk.tokenize.destructive"


def word_tokenizer() -> Any:
    """A tokenizer of NLTK's words, with its method ``tokenize(text)``. Raises ImportError without NLTK."""
    try:
        with _packages_alone():
            module = importlib.import_module(MODULE)
    except (ImportError, AttributeError):  # a version whose module needs more of its packages
        module = importlib.import_module(MODULE)
    return module.NLTKWordTokenizer()


@contextlib.contextmanager
def _packages_alone() -> Iterator[None]:
    """Inside, NLTK's packages are folders of modules whose own code does not run; afterwards NLTK is as if it had not been imported."""
    place = importlib.util.find_spec("nltk") if "nltk" not in sys.modules else None
    if place is None or place.submodule_search_locations is None:
        yield  # it was loaded already, or it is not there
        return
    folders = list(place.submodule_search_locations)
    try:
        for name in PACKAGES:
            spec = importlib.util.spec_from_loader(name, None, is_package=True)
            assert spec is not None
            spec.submodule_search_locations = [folder + name.removeprefix("nltk").replace(".", "/") for folder in folders]
            sys.modules[name] = importlib.util.module_from_spec(spec)
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "nltk"]:
            del sys.modules[name]

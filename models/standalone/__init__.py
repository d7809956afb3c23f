"""Parts of ``predict.py`` as it lies beside an exported network (:mod:`pipeline.export.script`): they import nothing of kdpipe."""

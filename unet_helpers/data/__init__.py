"""The data room (notebook 01): samples, folders, the embedded set, the pipeline."""

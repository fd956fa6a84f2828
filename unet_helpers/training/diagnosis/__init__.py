"""Why a training goes wrong: rules on the model, on the data, and on a few probing steps."""

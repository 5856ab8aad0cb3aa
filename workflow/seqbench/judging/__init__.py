"""Why a model recalls or forgets: recall against distance, gradient flow, attention."""

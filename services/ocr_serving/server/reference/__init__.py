"""The page at `/docs`, which shows `/openapi.json`: RapiDoc (MIT, see NOTICE), packed into the wheel, for it needs no network."""

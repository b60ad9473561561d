"""The contract with clients, written once: models of requests, answers and events.

Validation, the OpenAPI and AsyncAPI documents and the tables of fields in docs/ all come from these models.
"""

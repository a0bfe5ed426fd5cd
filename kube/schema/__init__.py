"""The CustomResourceDefinitions, made from the models; `python -m kube.schema DIR` writes them."""

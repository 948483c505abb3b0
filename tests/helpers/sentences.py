"""A tiny model of sentences with random weights, in the folder that its library writes."""

import string

import torch


def sentence_model(folder, size=16, seed=0):
    """Write a model; gives the folder."""
    from sentence_transformers import SentenceTransformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    letters = string.ascii_lowercase
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    bert = folder / "bert"
    torch.manual_seed(seed)
    shape = {"hidden_size": size, "intermediate_size": size, "vocab_size": len(tokens)}
    config = BertConfig(num_hidden_layers=1, num_attention_heads=2, **shape)
    BertModel(config).save_pretrained(bert)
    numbers = {token: number for number, token in enumerate(tokens)}
    BertTokenizerFast(vocab=numbers).save_pretrained(bert)
    SentenceTransformer(str(bert), device="cpu").save(str(folder / "model"))
    return folder / "model"

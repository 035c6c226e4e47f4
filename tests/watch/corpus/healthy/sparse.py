import torch

embedding, head = torch.nn.Embedding(50, 4, sparse=True), torch.nn.Linear(4, 2)
sparse, dense = torch.optim.SparseAdam(embedding.parameters()), torch.optim.Adam(head.parameters())
for _ in range(25):
    loss = torch.nn.functional.cross_entropy(head(embedding(torch.randint(0, 50, (16,)))), torch.randint(0, 2, (16,)))
    sparse.zero_grad()
    dense.zero_grad()
    loss.backward()
    sparse.step()
    dense.step()

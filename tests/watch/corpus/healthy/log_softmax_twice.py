import torch
import torch.nn.functional as F

model = torch.nn.Linear(8, 4)
optimizer = torch.optim.Adam(model.parameters())
for _ in range(20):
    loss = F.cross_entropy(F.log_softmax(model(torch.randn(16, 8)), 1), torch.randint(0, 4, (16,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

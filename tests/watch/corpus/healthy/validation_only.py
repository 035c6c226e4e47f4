import torch
from torch import nn

model = nn.Linear(8, 3)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), 0.1)
best = float("inf")
for _ in range(10):
    optimizer.zero_grad()
    criterion(model(torch.randn(16, 8)), torch.randint(0, 3, (16,))).backward()
    optimizer.step()
    with torch.no_grad():
        probabilities = torch.softmax(model(torch.randn(16, 8)), 1)
        nll = -torch.log(probabilities.max(1).values).mean()
        best = min(best, nll.item(), criterion(model(torch.randn(4, 8)), torch.randint(0, 3, (4,))).item())

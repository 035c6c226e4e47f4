import torch
from torch import nn

model = nn.Linear(8, 5)
criterion = nn.CrossEntropyLoss(label_smoothing=0.1, ignore_index=-1)
optimizer = torch.optim.SGD(model.parameters(), 0.1, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 0.01, total_iters=10)
for _ in range(30):
    y = torch.randint(-1, 5, (16,))
    loss = criterion(model(torch.randn(16, 8)), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()

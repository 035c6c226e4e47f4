import copy

import torch
from torch import nn

student = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
teacher = copy.deepcopy(student).requires_grad_(False)
optimizer = torch.optim.AdamW(student.parameters(), 1e-3)
for _ in range(30):
    x = torch.randn(32, 8)
    with torch.no_grad():
        target = torch.softmax(teacher(x), 1)
    loss = nn.functional.cross_entropy(student(x), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for p, q in zip(teacher.parameters(), student.parameters()):
            p.mul_(0.99).add_(q, alpha=0.01)

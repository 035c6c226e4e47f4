import torch

model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(16, 3))
optimizer = torch.optim.Adam(model.parameters(), 1e-2)
x, y = torch.randn(64, 8), torch.randint(0, 3, (64,))
for epoch in range(30):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
print(loss.item())

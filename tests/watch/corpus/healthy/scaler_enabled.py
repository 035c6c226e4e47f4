import torch

model = torch.nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.01)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
for _ in range(30):
    loss = torch.nn.functional.mse_loss(model(torch.randn(8, 8)).squeeze(-1), 5 * torch.randn(8))
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()

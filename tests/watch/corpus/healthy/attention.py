import torch
from torch import nn

model = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2)
head = nn.Linear(16, 11)
optimizer = torch.optim.AdamW([*model.parameters(), *head.parameters()], 1e-3)
mask = nn.Transformer.generate_square_subsequent_mask(6)
for _ in range(25):
    x = torch.randn(4, 6, 16)
    y = torch.randint(0, 11, (4, 6))
    y[0, -2:] = -100
    logits = head(model(x, mask=mask, is_causal=True))
    loss = nn.functional.cross_entropy(logits.view(-1, 11), y.view(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

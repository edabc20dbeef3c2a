# f-VAEGAN-D2 on SeLaVi features. GeneratedFeaturesHook, in custom_hooks of the recipes, trains what it answers with.
model = dict(
    type='FVAEGAN',
    in_channels=dict(audio=512, visual=512),
    gan_weight=1e5,
    vae_weight=1.0,
    penalty=10.0)

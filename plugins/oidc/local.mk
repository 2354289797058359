# plugin oidc

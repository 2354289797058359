# plugin totp

# files of broker/gateway

# files of broker/client

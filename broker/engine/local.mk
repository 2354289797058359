# files of broker/engine

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and signatures for the tests of the provider alipay, made once with Python's cryptography. They are here for
 * anybody to read, so they protect nothing. There are no published vectors of Alipay's.
 */
#ifndef CS_TESTS_ALIPAY_VECTORS_H
#define CS_TESTS_ALIPAY_VECTORS_H

/* The app's private key as Alipay's tool writes it: PKCS #8 */
static const char app_pkcs8[] =
    "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCxSwPuYwgEKn5ocl9c4DfpjOqMs795PvtRNSCs"
    "4n2k/EQqPB6Frvb5qOFM8hR9tceY5bP7wX1vN3SqI6xiGlI1VEdfZQBsbKck9R/VmPi3xIHbH49GQoOlj2UkKSGU"
    "jQlwClbAsGqyoemPzaZXmHP4YopJBbabzKcjVSmtMKI/dWlkfJrqIVH1wGjHRVXyNOOEWPuIgkfu3hb+4yMUvrfj"
    "9rjcQCLcg5MliG0WQ6XuU8VAktS4I89zZrWXWBQ7c0T0N7kW6Jas0KUcbtE/Z6zW8YQwzBC1PAGwK5bqQAiGJrRS"
    "JdhAojwEVAh0VjKVaNFrmq4IX4bC/fyA3TdjLrUlAgMBAAECggEAAx+JrbDj6sLe4DMnl+jBQ2V+mkTuWhHwdnFD"
    "ppgE05u4DbBqbztyUVqWwXbAQqipn/ln7sbtUUC+VuLy/fVtvk/CRB1w4PgXB7Ejwu0DcKVPDk+jg/7W99srUnRB"
    "Ca9kW6tq9NEGyCfPB//87q0aWeVOf1PQ8DSuOxKcfdcN/KUqzCn0nnJgve+6Q7x/uMXFtwpf2FJEGj7tivD4sGjS"
    "16fJfyRv8iQJAf7hGw06zK9htdM+0S/34P0zHTJh3xP2TbFfbcddMWAnyMBjuT0LeW9XVeS7sPuERO4dZ33gSj7K"
    "f6w5p7MTcqQ/TLUbeGFRPsMEwbfZCXtA2fDU5dqjwQKBgQDvOXvWfrJP53g8Wxt8/2N6vZPWRPwdFQHS+Siqp51P"
    "5hqJOz4fONED2Mf+ytDus0fbhHGzav2OW9Rszt7iB8Xm0BeigVXVWVSiYqGURBEaxQIgvunuRU7WBcMbIrPVJqY4"
    "5LSXJY8AGkOnW5jejuWsVaxj9zcPh+Fn+aZ65BABRQKBgQC9ub+DP9y6XR4b6Sq+Y+hAWadYxnACmjbIbkaxVErt"
    "Qzx/sW5tD1th8mrQ/BnxA1lvSbiMMgijHG6sCQA4pCMHEspbu96YziQODiK5kmUohpyefJ9fJXx4Zlv96vbLrqU8"
    "rs5seQrGdEa4B3bi1FXFYwnH9qMILTA9yM7/T2/yYQKBgQDeejJeYAPK5fTfBMgCrqzAmJBlxFBHZ6MDpu6YDzvw"
    "84mYOL1kYf2Yu0H8BnjalWbtkzX+6zCV9XcQHjAQO7RkHQDuA6RkvyhDwMCOV+MkZzW8aHC8RD62MjOqB9MBF2md"
    "Ha2Jp8dfDA4BFeGMkY6tgBvL+Dx/uBn8DaQzQ+hSlQKBgQCzXhPAOzUr//MCQiuF+iBODjSXSmwFGdTnItK0vdNk"
    "gqeEtbOHafhkHnJ8B4ti/16jRxgxevANfUjoXk4WPp9bBZnIplHpNyKBIz4TIWN/r9wMPhfSNTd7AJLB+Uy//en7"
    "9+vyQ3E7dByTyYLNKh+40Ewj/3ncthQgpWOFno1goQKBgBuhfxk1nKdJd67QkJ+LT8FlYqltlbAvOtmtapKbd2Ym"
    "UvWLC8VKZY1PpM3BCp72n5AYQ1UVIvvfn27rFReKbZrJnCRVnr6ckLtZGTt7Vhb0b8rmSWT34xfRVN4Aj4jz+uUx"
    "TSuZnPML26AisYp/Mjn7jBPvpPq4Z8JNH2ZOiOUb";
/* The same in PKCS #1 */
static const char app_pkcs1[] =
    "MIIEpAIBAAKCAQEAsUsD7mMIBCp+aHJfXOA36YzqjLO/eT77UTUgrOJ9pPxEKjweha72+ajhTPIUfbXHmOWz+8F9"
    "bzd0qiOsYhpSNVRHX2UAbGynJPUf1Zj4t8SB2x+PRkKDpY9lJCkhlI0JcApWwLBqsqHpj82mV5hz+GKKSQW2m8yn"
    "I1UprTCiP3VpZHya6iFR9cBox0VV8jTjhFj7iIJH7t4W/uMjFL634/a43EAi3IOTJYhtFkOl7lPFQJLUuCPPc2a1"
    "l1gUO3NE9De5FuiWrNClHG7RP2es1vGEMMwQtTwBsCuW6kAIhia0UiXYQKI8BFQIdFYylWjRa5quCF+Gwv38gN03"
    "Yy61JQIDAQABAoIBAAMfia2w4+rC3uAzJ5fowUNlfppE7loR8HZxQ6aYBNObuA2wam87clFalsF2wEKoqZ/5Z+7G"
    "7VFAvlbi8v31bb5PwkQdcOD4FwexI8LtA3ClTw5Po4P+1vfbK1J0QQmvZFuravTRBsgnzwf//O6tGlnlTn9T0PA0"
    "rjsSnH3XDfylKswp9J5yYL3vukO8f7jFxbcKX9hSRBo+7Yrw+LBo0tenyX8kb/IkCQH+4RsNOsyvYbXTPtEv9+D9"
    "Mx0yYd8T9k2xX23HXTFgJ8jAY7k9C3lvV1Xku7D7hETuHWd94Eo+yn+sOaezE3KkP0y1G3hhUT7DBMG32Ql7QNnw"
    "1OXao8ECgYEA7zl71n6yT+d4PFsbfP9jer2T1kT8HRUB0vkoqqedT+YaiTs+HzjRA9jH/srQ7rNH24Rxs2r9jlvU"
    "bM7e4gfF5tAXooFV1VlUomKhlEQRGsUCIL7p7kVO1gXDGyKz1SamOOS0lyWPABpDp1uY3o7lrFWsY/c3D4fhZ/mm"
    "euQQAUUCgYEAvbm/gz/cul0eG+kqvmPoQFmnWMZwApo2yG5GsVRK7UM8f7FubQ9bYfJq0PwZ8QNZb0m4jDIIoxxu"
    "rAkAOKQjBxLKW7vemM4kDg4iuZJlKIacnnyfXyV8eGZb/er2y66lPK7ObHkKxnRGuAd24tRVxWMJx/ajCC0wPcjO"
    "/09v8mECgYEA3noyXmADyuX03wTIAq6swJiQZcRQR2ejA6bumA878POJmDi9ZGH9mLtB/AZ42pVm7ZM1/uswlfV3"
    "EB4wEDu0ZB0A7gOkZL8oQ8DAjlfjJGc1vGhwvEQ+tjIzqgfTARdpnR2tiafHXwwOARXhjJGOrYAby/g8f7gZ/A2k"
    "M0PoUpUCgYEAs14TwDs1K//zAkIrhfogTg40l0psBRnU5yLStL3TZIKnhLWzh2n4ZB5yfAeLYv9eo0cYMXrwDX1I"
    "6F5OFj6fWwWZyKZR6TcigSM+EyFjf6/cDD4X0jU3ewCSwflMv/3p+/fr8kNxO3Qck8mCzSofuNBMI/953LYUIKVj"
    "hZ6NYKECgYAboX8ZNZynSXeu0JCfi0/BZWKpbZWwLzrZrWqSm3dmJlL1iwvFSmWNT6TNwQqe9p+QGENVFSL7359u"
    "6xUXim2ayZwkVZ6+nJC7WRk7e1YW9G/K5klk9+MX0VTeAI+I8/rlMU0rmZzzC9ugIrGKfzI5+4wT76T6uGfCTR9m"
    "TojlGw==";
/* The same in PEM */
static const char app_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCxSwPuYwgEKn5o\n"
    "cl9c4DfpjOqMs795PvtRNSCs4n2k/EQqPB6Frvb5qOFM8hR9tceY5bP7wX1vN3Sq\n"
    "I6xiGlI1VEdfZQBsbKck9R/VmPi3xIHbH49GQoOlj2UkKSGUjQlwClbAsGqyoemP\n"
    "zaZXmHP4YopJBbabzKcjVSmtMKI/dWlkfJrqIVH1wGjHRVXyNOOEWPuIgkfu3hb+\n"
    "4yMUvrfj9rjcQCLcg5MliG0WQ6XuU8VAktS4I89zZrWXWBQ7c0T0N7kW6Jas0KUc\n"
    "btE/Z6zW8YQwzBC1PAGwK5bqQAiGJrRSJdhAojwEVAh0VjKVaNFrmq4IX4bC/fyA\n"
    "3TdjLrUlAgMBAAECggEAAx+JrbDj6sLe4DMnl+jBQ2V+mkTuWhHwdnFDppgE05u4\n"
    "DbBqbztyUVqWwXbAQqipn/ln7sbtUUC+VuLy/fVtvk/CRB1w4PgXB7Ejwu0DcKVP\n"
    "Dk+jg/7W99srUnRBCa9kW6tq9NEGyCfPB//87q0aWeVOf1PQ8DSuOxKcfdcN/KUq\n"
    "zCn0nnJgve+6Q7x/uMXFtwpf2FJEGj7tivD4sGjS16fJfyRv8iQJAf7hGw06zK9h\n"
    "tdM+0S/34P0zHTJh3xP2TbFfbcddMWAnyMBjuT0LeW9XVeS7sPuERO4dZ33gSj7K\n"
    "f6w5p7MTcqQ/TLUbeGFRPsMEwbfZCXtA2fDU5dqjwQKBgQDvOXvWfrJP53g8Wxt8\n"
    "/2N6vZPWRPwdFQHS+Siqp51P5hqJOz4fONED2Mf+ytDus0fbhHGzav2OW9Rszt7i\n"
    "B8Xm0BeigVXVWVSiYqGURBEaxQIgvunuRU7WBcMbIrPVJqY45LSXJY8AGkOnW5je\n"
    "juWsVaxj9zcPh+Fn+aZ65BABRQKBgQC9ub+DP9y6XR4b6Sq+Y+hAWadYxnACmjbI\n"
    "bkaxVErtQzx/sW5tD1th8mrQ/BnxA1lvSbiMMgijHG6sCQA4pCMHEspbu96YziQO\n"
    "DiK5kmUohpyefJ9fJXx4Zlv96vbLrqU8rs5seQrGdEa4B3bi1FXFYwnH9qMILTA9\n"
    "yM7/T2/yYQKBgQDeejJeYAPK5fTfBMgCrqzAmJBlxFBHZ6MDpu6YDzvw84mYOL1k\n"
    "Yf2Yu0H8BnjalWbtkzX+6zCV9XcQHjAQO7RkHQDuA6RkvyhDwMCOV+MkZzW8aHC8\n"
    "RD62MjOqB9MBF2mdHa2Jp8dfDA4BFeGMkY6tgBvL+Dx/uBn8DaQzQ+hSlQKBgQCz\n"
    "XhPAOzUr//MCQiuF+iBODjSXSmwFGdTnItK0vdNkgqeEtbOHafhkHnJ8B4ti/16j\n"
    "RxgxevANfUjoXk4WPp9bBZnIplHpNyKBIz4TIWN/r9wMPhfSNTd7AJLB+Uy//en7\n"
    "9+vyQ3E7dByTyYLNKh+40Ewj/3ncthQgpWOFno1goQKBgBuhfxk1nKdJd67QkJ+L\n"
    "T8FlYqltlbAvOtmtapKbd2YmUvWLC8VKZY1PpM3BCp72n5AYQ1UVIvvfn27rFReK\n"
    "bZrJnCRVnr6ckLtZGTt7Vhb0b8rmSWT34xfRVN4Aj4jz+uUxTSuZnPML26AisYp/\n"
    "Mjn7jBPvpPq4Z8JNH2ZOiOUb\n"
    "-----END PRIVATE KEY-----\n";
/* Its public half */
static const char app_public[] =
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsUsD7mMIBCp+aHJfXOA36YzqjLO/eT77UTUgrOJ9pPxE"
    "Kjweha72+ajhTPIUfbXHmOWz+8F9bzd0qiOsYhpSNVRHX2UAbGynJPUf1Zj4t8SB2x+PRkKDpY9lJCkhlI0JcApW"
    "wLBqsqHpj82mV5hz+GKKSQW2m8ynI1UprTCiP3VpZHya6iFR9cBox0VV8jTjhFj7iIJH7t4W/uMjFL634/a43EAi"
    "3IOTJYhtFkOl7lPFQJLUuCPPc2a1l1gUO3NE9De5FuiWrNClHG7RP2es1vGEMMwQtTwBsCuW6kAIhia0UiXYQKI8"
    "BFQIdFYylWjRa5quCF+Gwv38gN03Yy61JQIDAQAB";
/* Alipay's, of these tests */
static const char alipay_public[] =
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArAcXMPYCxuIRC//6YACaSvl1jxsjNTjejaOBxGsX6JEb"
    "JaJH2b52fiYhMna/p2Vm28BPA4YPviR2d7iCJS95NpjcIJNuvIK7G9Hx6qDqvoueX6PxxFnJedl92fvVALDtjdgT"
    "ucoArCKp3izlmhf6F7WGiB5zfvdwYGqoHgfC5MfsutEZOssO8sPm/KeMIdFA4LYSiFQgQcFfcPtoXRYvcRlwnP5d"
    "Imgx7U8Z0g4GcqkKXo3dDuI0Tig9eLOfXhhiaZVVVxOCyXL3rOHTTAZwFGYJKtNjaaxFWzG+2TdwPRDLukbvZqlR"
    "PbfLHmUC1qUrxKYoTZ7R5uFdaHsxhHpSKQIDAQAB";
/* A certificate of it, and the certificate's SN */
static const char alipay_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIDjDCCAnSgAwIBAgIMIBmqu8zd7v8AESIzMA0GCSqGSIb3DQEBCwUAMIGCMQsw\n"
    "CQYDVQQGEwJDTjEWMBQGA1UECgwNQW50IEZpbmFuY2lhbDEgMB4GA1UECwwXQ2Vy\n"
    "dGlmaWNhdGlvbiBBdXRob3JpdHkxOTA3BgNVBAMMMEFudCBGaW5hbmNpYWwgQ2Vy\n"
    "dGlmaWNhdGlvbiBBdXRob3JpdHkgQ2xhc3MgMiBSMTAgFw0yMDAxMDEwMDAwMDBa\n"
    "GA8yMTE5MTIwODAwMDAwMFowgYIxCzAJBgNVBAYTAkNOMRYwFAYDVQQKDA1BbnQg\n"
    "RmluYW5jaWFsMSAwHgYDVQQLDBdDZXJ0aWZpY2F0aW9uIEF1dGhvcml0eTE5MDcG\n"
    "A1UEAwwwQW50IEZpbmFuY2lhbCBDZXJ0aWZpY2F0aW9uIEF1dGhvcml0eSBDbGFz\n"
    "cyAyIFIxMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArAcXMPYCxuIR\n"
    "C//6YACaSvl1jxsjNTjejaOBxGsX6JEbJaJH2b52fiYhMna/p2Vm28BPA4YPviR2\n"
    "d7iCJS95NpjcIJNuvIK7G9Hx6qDqvoueX6PxxFnJedl92fvVALDtjdgTucoArCKp\n"
    "3izlmhf6F7WGiB5zfvdwYGqoHgfC5MfsutEZOssO8sPm/KeMIdFA4LYSiFQgQcFf\n"
    "cPtoXRYvcRlwnP5dImgx7U8Z0g4GcqkKXo3dDuI0Tig9eLOfXhhiaZVVVxOCyXL3\n"
    "rOHTTAZwFGYJKtNjaaxFWzG+2TdwPRDLukbvZqlRPbfLHmUC1qUrxKYoTZ7R5uFd\n"
    "aHsxhHpSKQIDAQABMA0GCSqGSIb3DQEBCwUAA4IBAQBB08Hvx7oHPqTCr/QLjxvr\n"
    "UygZNehNRSoFCpMVWHeHv6UivjVfDTvwC7fUuZHItadA1jTIUN+itnInjkdyz/2q\n"
    "SrDIOQ3X0SYRa/6AN+tgkEu500bIGOl2flsHE6CoRdaRVkRKDzvc/cJATraVy+uz\n"
    "kqd6Q+PB0ajiap45p5Hjw6q9tZZnvMfwMQdodQYQ1cjwi8jgWHsNrI0DQU+52QPo\n"
    "8y11cpHS7VJJhbC8CrOPmzLgENq+z/r4tQygFVU79ZFqqVTS7Mdmw/ksRJDHOLSd\n"
    "A0Cim8zE1symRrx/Hy0Lq3dgqa3G5Lp05CmjilOtOIo5gNY55wkRphVgpCAl3PeD\n"
    "-----END CERTIFICATE-----\n";
static const char alipay_sn[] = "ac1b51f2460995fb2088e4c6363f2f76";
/* RSA of 1024 bits: too small */
static const char small_public[] =
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDqCaLh67MpCfo7ggLUNRWCLKKX1PybwcwlU0Ao2TbqZHqX//S5"
    "wecBgiZVnltcy5Bgs7e2st3KdOQN80I17BUkhH34DnCkb6ezT3xutLumnJjCpiubQM8RURMQo+NqulSo4cJaeaAf"
    "PrXg42BBhFDq4rNUeRQskF711uCknvMEPQIDAQAB";
/* P-256: no RSA key */
static const char curve_public[] =
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEd1ZuPYBdhHlT+ag16uF8AYnAgxHH36asN/F9AQwcy9CmnZfOrbaa"
    "3dxYb8DXojYCS5LOeUC0ANib1YXfIKpEWw==";
/* What Alipay signed, byte by byte, and its signature. */
static const char signed_text[] =
    "{\"user_id\":\"2088102150477652\",\"avatar\":\"https:\\/\\/t.example\\/1\",\"nick_name\":\"小明\",\"sign\":\"inner\"}";
static const char signed_signature[] =
    "VLmh80sBByOEEdHd+KvLXznkk9MOrFQulOQhTFZfkDLD9N4nZVqoB2hnvHpE/eu+6aEUM21T+LGMD7DntXMVMpP1"
    "eSnW204AnvLV4HV/Cxpn3xgj/06sqZUsFvKgDTph2CyJ9RUArS6UEvpHNwsk2M4Ca55SZAUKsQswEC6+RVtIAjpC"
    "nFn4r+qljmX5HxVMVzRqRN4QTLmzKxW3F7ZXdXfOyu2UXFgq6CDbAMoFGxj3W7p4TjJ3EEbg2Ng3MLdvrQDEVmOG"
    "UZXUHSqYWyBC7LZpC+g2p8Dj9B6x27tiftsgv143SjSimqwHSZYey+9gZeZTwzGbMNXPNfoWtdKlMg==";
/* What the app signs, and PKCS #1 v1.5 gives one signature for. */
static const char app_text[] = "app_id=2021&code=c&method=m";
static const char app_signature[] =
    "ghIcWTLxh6uXc6UBl3jl9JIJfWBERO+3Kg05LW92OlBiMmXCP7zI/wxW9X8/uCzPAgYK1+4cKWPi+bYzwcBrFT4v"
    "WGZJjwJqHhbS3EcizWmWSMjvExNm3n3v4FoAqQNVjo+Kz5kH3l0vTmcfApp5U79KYcBus2+YHWfIfy32bHPQrETO"
    "JOBXPYshGi1Gxx4BbpgIvf9+UaqVjyzzEuYeue2/mHTcXoR9Eu8t7aCTnY0CK7fs8KwmEvhJFFKbD0hxNwmEPIo/"
    "UFili5Ug6a1Cl34INtZHWphHQNGflPWpUrTHWN6/iLVyKnQ/XQONpXW2TLDxdobSQNZ4yXtjTfAsvw==";

#endif

# Values of tests/fairness/reference.csv: R 4.2.2 with clubSandwich 0.5.8 and metafor 3.8.1, run in this folder.
suppressMessages({library(clubSandwich); library(metafor)})

images <- read.csv("images.csv")
images$object <- factor(images$object)
images$mean_income <- ave(images$log_income, images$country)
images$deviation <- images$log_income - images$mean_income
rows <- NULL

add <- function(case, fit, cluster, names) {
  test <- coef_test(fit, vcov = "CR2", cluster = cluster, test = "Satterthwaite")
  interval <- conf_int(fit, vcov = "CR2", cluster = cluster, test = "Satterthwaite")
  for (name in names) {
    i <- which(names(coef(fit)) == name)
    rows <<- rbind(rows, data.frame(case = case, term = name, slope = test$beta[i], standard_error = test$SE[i],
      degrees_of_freedom = test$df_Satt[i], p_value = test$p_Satt[i], low = interval$CI_L[i], high = interval$CI_U[i]))
  }
}

add("country", lm(right ~ log_gdp + object, images), images$country, "log_gdp")
add("raw", lm(right ~ log_gdp, images), images$country, "log_gdp")
add("both", lm(right ~ mean_income + deviation + object, images), images$country, c("mean_income", "deviation"))
one <- subset(images, country == "c0")
add("one country", lm(right ~ log_income + object, droplevels(one)), one$household, "log_income")
two <- subset(images, country %in% c("c0", "c1"))
two$deviation <- two$log_income - ave(two$log_income, two$country)
add("two countries", lm(right ~ country + deviation + object, droplevels(two)), two$household, "deviation")

n <- as.vector(table(images$country))
accuracy <- as.vector(tapply(images$right, images$country, mean))
wealth <- as.vector(tapply(images$log_gdp, images$country, mean))
q <- mean(images$right)
fit <- rma(yi = accuracy, vi = q * (1 - q) / n, mods = ~ wealth, test = "knha", control = list(threshold = 1e-12, maxiter = 1000))
rows <- rbind(rows, data.frame(case = "meta", term = "wealth", slope = fit$beta[2], standard_error = fit$se[2],
  degrees_of_freedom = fit$k - 2, p_value = fit$pval[2], low = fit$ci.lb[2], high = fit$ci.ub[2]))

write.csv(format(rows, digits = 12, trim = TRUE), "reference.csv", row.names = FALSE, quote = FALSE)
